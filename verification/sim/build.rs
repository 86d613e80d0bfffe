//! Lets the in-process twin of the server be harmed, which only a simulation and tests need.

fn main() {
    println!("cargo::rustc-cfg=simulated");
}
