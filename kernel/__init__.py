"""The kernel's subsystems, and the tools that speak to them. Nothing here knows the language, or a target."""
