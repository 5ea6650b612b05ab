//! What people start by hand: retries, cancelling, tests.
