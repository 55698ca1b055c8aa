use twistor_deferred::{deferred, succeed};

fn main() {
    let (promise, _answer) = deferred::<u8>();
    promise.callback(succeed(1));
}
