"""The screen of `fluvio top`: topics, consumers and SPUs, live."""
