"""Connections an SPU opens itself: to the controller, and to other SPUs.

Nothing here serves anybody; what arrives is handed down to `replica`.
"""
