"""A library for assistants, over the Model Context Protocol: ``vidseek mcp``.

It needs the extra ``mcp``.
"""
