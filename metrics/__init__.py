"""Numbers that say how good a model is: functions of arrays that know no model, flag or file."""
