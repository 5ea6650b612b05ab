//! The `rung` command as the product ships it, built beside the tests that start it.

fn main() -> std::process::ExitCode {
    rung_local::main()
}
