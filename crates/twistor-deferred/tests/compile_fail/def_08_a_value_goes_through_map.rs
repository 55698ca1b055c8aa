fn main() {
    let _sum = twistor_deferred::succeed(1).add_callback(|n| n + 1);
}
