"""Everything that knows the SDK and the JSON of Label Studio."""
