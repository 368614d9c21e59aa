"""One on each training machine: takes attempts, supervises them, delivers what they tell."""
