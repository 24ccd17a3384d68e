"""Door 9003: clients create, delete, update, list and watch objects. One file per verb."""
