fn sends<T: Send>(_: T) {}

fn main() {
    sends(twistor_deferred::succeed(1_u8));
}
