"""Frames, headers, version negotiation and error statuses: what all four doors share."""
