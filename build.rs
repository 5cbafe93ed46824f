//! Rebuilds when a migration is added: refinery's macro watches only the files that it has seen.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
