"""Sending records: `producer` sends, `accumulator` collects, `partitioner` chooses.

The accumulator and the partitioners are plain code without I/O.
"""
