"""The language server: what editors ask about programs, answered over the Language Server Protocol."""
