//! The `rung` command.

fn main() -> std::process::ExitCode {
    rung_local::main()
}
