"""Reading records: `consumer` hands them out, `stream` reads one partition, `offsets` says where
to begin."""
