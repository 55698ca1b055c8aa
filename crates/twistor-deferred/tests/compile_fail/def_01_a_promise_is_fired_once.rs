fn main() {
    let (promise, _answer) = twistor_deferred::deferred();
    promise.callback(1);
    promise.callback(2);
}
