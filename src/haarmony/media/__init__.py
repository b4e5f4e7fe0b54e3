"""Pixels and files: pictures and masks, nothing about style."""
