"""Whether what providers answered is right: decided from the pixels, the answers and the job's keys alone."""
