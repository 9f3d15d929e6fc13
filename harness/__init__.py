"""Plans, runs and judges. Imports nothing, so that `pocketbench --help` stays light."""
