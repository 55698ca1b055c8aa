fn sends<T: Send>(_: T) {}

fn main() {
    let (promise, _answer) = twistor_deferred::deferred::<u8>();
    sends(promise);
}
