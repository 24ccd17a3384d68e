"""Door 9004: SPUs register, are told what to hold, and report what they hold."""
