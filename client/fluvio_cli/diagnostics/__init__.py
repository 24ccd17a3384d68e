"""`cluster diagnostics`: one archive with what somebody needs who shall find out what is wrong.

Called by the command of that name. Writes one file and changes nothing. Nothing secret goes in:
everything passes redaction.py. What cannot be collected is named in the archive, and never ends
the collection.
"""
