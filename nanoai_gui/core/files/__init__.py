"""Every reader and writer of foreign formats; nothing else in the core touches files."""
