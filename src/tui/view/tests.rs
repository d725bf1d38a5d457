//! Pictures as text and style runs.
