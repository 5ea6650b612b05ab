//! `rung completions` and `rung man`: what shells and `man` know of the commands.

use std::{io::Write, path::PathBuf, process::ExitCode};

use clap::Command;

use super::Error;

/// The flags of `completions`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  rung completions bash > ~/.local/share/bash-completion/completions/rung
  rung completions zsh > ~/.zfunc/_rung
  rung completions fish > ~/.config/fish/completions/rung.fish")]
pub(super) struct Completions {
    /// The shell
    shell: clap_complete::Shell,
}

/// The flags of `man`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  rung man | man -l -
  rung man --dir ~/.local/share/man/man1")]
pub(super) struct Man {
    /// Write a page for each command into this folder
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(super) fn completions(
    args: &Completions,
    mut definition: Command,
    out: &mut impl Write,
) -> Result<ExitCode, Error> {
    // It panics where it cannot write.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut definition, "rung", &mut script);
    out.write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn man(
    args: &Man,
    definition: Command,
    out: &mut impl Write,
) -> Result<ExitCode, Error> {
    match &args.dir {
        Some(dir) => {
            std::fs::create_dir_all(dir)
                .and_then(|()| clap_mangen::generate_to(definition, dir))
                .map_err(|error| format!("--dir {}: {error}", dir.display()))?;
        }
        None => clap_mangen::Man::new(definition).render(out)?,
    }
    Ok(ExitCode::SUCCESS)
}
