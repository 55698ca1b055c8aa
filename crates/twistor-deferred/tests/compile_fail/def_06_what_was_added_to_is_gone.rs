fn main() {
    let (promise, answer) = twistor_deferred::deferred::<u8>();
    let _length = answer.add_callback(|n| Ok(n + 1));
    promise.callback(1);
    println!("{}", answer.has_result());
}
