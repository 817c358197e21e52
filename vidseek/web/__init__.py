"""The HTTP API and the web page of a library: ``vidseek serve``.

app = create_app(ServerSettings(library=Path("footage-library"), roots=(Path("~/Movies"),)))

One process holds the library, its models and its indexes. It needs the extra ``web``.
"""
