"""The systems that are measured, each in a module of its own.

system = OurSystem(folder, "fast")
system.index(library_entries)
found = system.ask(Path("query.mp4"))
"""
