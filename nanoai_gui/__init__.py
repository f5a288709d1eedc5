"""NanoAI: primary particles in electron micrographs and classes in Raman maps."""

__version__ = "0.1.0"
