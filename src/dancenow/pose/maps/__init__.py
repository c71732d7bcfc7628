"""One file per way of bringing a dance to another body; `pose.normalize` chooses among them."""
