//! The `rung` command.

/// A fifth of what a delivery costs here went into allocating; this takes less than the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    rung_local::main()
}
