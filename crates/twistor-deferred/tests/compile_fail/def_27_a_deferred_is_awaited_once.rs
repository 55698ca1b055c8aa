async fn twice() -> Result<u8, twistor_deferred::Failure> {
    let answer = twistor_deferred::succeed(1);
    let first = answer.await?;
    let second = answer.await?;
    Ok(first + second)
}

fn main() {
    drop(twice());
}
