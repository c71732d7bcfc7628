"""Consent, watermark, Content Credentials, and the detection of synthetic video."""
