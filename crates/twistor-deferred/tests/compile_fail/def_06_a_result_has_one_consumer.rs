fn main() {
    let answer = twistor_deferred::succeed(1);
    let _one = answer.map(|n| n + 1);
    let _two = answer.map(|n| n + 2);
}
