"""Training of the forgery classifier; `dancenow.provenance.forensics` runs it."""
