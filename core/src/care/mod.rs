//! What people do with records, above sync: booking a visit (more of the design is to come).

pub mod booking;
