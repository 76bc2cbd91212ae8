-- When whoever runs a sweep last went on with it: another process leaves it alone until that is long ago.
ALTER TABLE control.sweeps ADD COLUMN looked_at timestamptz;
