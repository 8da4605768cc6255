"""What a chip's eFuses say of a node's security, and how they are burned: through espefuse, never by hand."""
