//! Rebuilds when a migration or a file of the console is added: the macros watch only the files that they have seen.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
    println!("cargo:rerun-if-changed=console/dist");
}
