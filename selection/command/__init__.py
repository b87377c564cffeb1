"""The command crux: settings in, one step of the method, its outcome as text or JSON."""
