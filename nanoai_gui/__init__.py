"""NanoAI: primary particles in electron micrographs and classes in Raman maps."""

import os

# ONNX Runtime reports its use to its maker unless this is set before it is loaded (Privacy.md of 1.32). What
# a person measures is nobody else's business: it is set here, for every process and script of NanoAI.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

__version__ = "0.1.0"
