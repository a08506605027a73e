"""Signal front ends common to every family: STFT, mel, wavelets, pitch, energy, harmonic priors."""
