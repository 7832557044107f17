"""Loss terms: functions of tensors that know no model, flag or file."""
