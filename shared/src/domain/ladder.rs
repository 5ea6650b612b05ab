//! The retry schedule.
