"""Provenance of videos: consent, watermark, Content Credentials, and the detection of synthetic video."""
