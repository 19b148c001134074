use waystation_sdk::{Events, RawData};

#[derive(Events)]
enum OrderEvent {
    #[on("com.example.paid.v1")]
    Paid(RawData),
    Cancelled,
}

fn main() {}
