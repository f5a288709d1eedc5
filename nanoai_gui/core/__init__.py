"""The science of NanoAI. Knows no screen: nothing below imports Qt (checked by a contract)."""
