use std::error::Error;

fn legacy(n: u8) -> Result<u8, Box<dyn Error + Send + Sync>> {
    Ok(n)
}

fn main() {
    let _same = twistor_deferred::succeed(1).add_callback(|n| legacy(n));
}
