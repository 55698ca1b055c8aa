use twistor_deferred::{deferred, succeed};

fn main() {
    let (_promise, inner) = deferred::<u8>();
    let _one = succeed(()).add_callback(move |()| inner);
    let _two = succeed(()).add_callback(move |()| inner);
}
