"""The compiler: source text to syntax to IR, with every complaint as a diagnostic."""
