"""Training of the forensic classifier; `dancenow.provenance.forensics` runs it."""
