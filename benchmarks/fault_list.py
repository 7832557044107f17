"""Small faults for benchmarks/faults.py, by room.

Each is a change of one text of one file, in this tree and in an older one with other names. Every
fault changes results, logs, files or messages that a user can notice.
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Change:
    """Fault in one tree.

    Attributes:
        file: the file.
        text: text that occurs once in the file.
        replacement: faulty text.
        first: test files of the unit, which are run before the others of the room.
    """

    file: str
    text: str
    replacement: str
    first: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Fault:
    """Fault in this tree, and the same fault in the older one.

    Attributes:
        name: short name.
        meaning: the faulty behaviour.
        new: change of this tree.
        old: change of the older tree.
    """

    name: str
    meaning: str
    new: Change
    old: Change


def fault(
    name: str, meaning: str, file: str, text: str, replacement: str, /, *first: str, **old
) -> Fault:
    """Return a fault; `old` has the attributes of the older tree's change that differ."""
    new = Change(file, text, replacement, first)
    return Fault(name, meaning, new, dataclasses.replace(new, **old))


# Tests of each room, in this tree and in the older one; contracts are those of every model.
CONTRACTS = ("tests/models/contracts/test_steps.py", "tests/models/contracts")
OLD_CONTRACTS = "tests/models/test_contracts.py"
TESTS = {
    "losses": ("tests/losses", *CONTRACTS),
    "metrics": ("tests/metrics", *CONTRACTS),
    "models": (*CONTRACTS, "tests/models"),
    "training": (
        *("tests/training", "tests/storage", "tests/train", "tests/test_study.py"),
        *CONTRACTS,
    ),
    "evaluation": ("tests/evaluation", "tests/evaluate", *CONTRACTS),
}
OLD_TESTS = {
    "losses": ("tests/losses", OLD_CONTRACTS),
    "metrics": ("tests/metrics", OLD_CONTRACTS),
    "models": (OLD_CONTRACTS, "tests/models"),
    "training": (
        *("tests/training", "tests/test_files.py", "tests/test_train.py", "tests/test_study.py"),
        OLD_CONTRACTS,
    ),
    "evaluation": (
        *("tests/training/test_evaluation.py", "tests/test_evaluate.py"),
        *("tests/metrics/test_comparison.py", "tests/metrics/test_report.py"),
        OLD_CONTRACTS,
    ),
}

LOSSES = (
    fault(
        "two_sided_smoothing",
        "label smoothing also raises the target of generated images",
        "losses/adversarial.py",
        '"fake": cross_entropy(d_fake, 0.0),',
        '"fake": cross_entropy(d_fake, label_smoothing),',
        "tests/losses/test_adversarial.py",
        replacement='"fake": cross_entropy(d_fake, 1.0 - real_label),',
    ),
    fault(
        "minimax_sign",
        "the generator of the minimax loss maximises its objective",
        "losses/adversarial.py",
        '{"adversarial": -cross_entropy(d_fake, 0.0)}',
        '{"adversarial": cross_entropy(d_fake, 0.0)}',
        "tests/losses/test_adversarial.py",
    ),
    fault(
        "least_squares_half",
        "the terms of the least squares loss lack the factor 1/2",
        "losses/adversarial.py",
        "return 0.5 * tf.square(scores - label)",
        "return tf.square(scores - label)",
        "tests/losses/test_adversarial.py",
        text="""            "real": 0.5 * tf.square(d_real - real_label),
            "fake": 0.5 * tf.square(d_fake - fake_label),
        },
        generator=lambda _, d_fake: {"adversarial": 0.5 * tf.square(d_fake - generator_label)},
""",
        replacement="""            "real": tf.square(d_real - real_label),
            "fake": tf.square(d_fake - fake_label),
        },
        generator=lambda _, d_fake: {"adversarial": tf.square(d_fake - generator_label)},
""",
    ),
    fault(
        "least_squares_threshold",
        "the decision threshold ignores fake_label, which is 0 by default",
        "losses/adversarial.py",
        "threshold=(fake_label + real_label) / 2",
        "threshold=real_label / 2",
        "tests/losses/test_adversarial.py",
        text="boundary=(fake_label + real_label) / 2",
        replacement="boundary=real_label / 2",
    ),
    fault(
        "relativistic_mean_gradient",
        "the means of the relativistic average loss carry no gradient",
        "losses/adversarial.py",
        "return d_real - fake, d_fake - real",
        "return d_real - tf.stop_gradient(fake), d_fake - tf.stop_gradient(real)",
        "tests/losses/test_adversarial.py",
        text="return d_real - tf.reduce_mean(d_fake), d_fake - tf.reduce_mean(d_real)",
        replacement="r, f = (tf.stop_gradient(tf.reduce_mean(d)) for d in (d_real, d_fake))\n"
        "        return d_real - f, d_fake - r",
    ),
    fault(
        "encoder_mirror",
        "the encoder's scores are mirrored at 0 instead of the decision threshold",
        "losses/adversarial.py",
        "2.0 * self.threshold - d_real",
        "-d_real",
        "tests/losses/test_adversarial.py",
        text="2.0 * (self.boundary or 0.0) - d_real",
    ),
    fault(
        "one_sided_penalty",
        "the gradient penalty ignores gradient norms below 1",
        "losses/penalties.py",
        "return tf.square(gradient_norms(critic, interpolates) - 1.0)",
        "return tf.square(tf.nn.relu(gradient_norms(critic, interpolates) - 1.0))",
        "tests/losses/test_penalties.py",
        text="return tf.square(slopes(critic, epsilon * real + (1.0 - epsilon) * fake) - 1.0)",
        replacement="x = epsilon * real + (1.0 - epsilon) * fake\n"
        "    return tf.square(tf.nn.relu(slopes(critic, x) - 1.0))",
    ),
    fault(
        "interpolation_per_batch",
        "all interpolates of a batch have the same epsilon",
        "losses/penalties.py",
        "epsilon = uniform(INTERPOLATION, one_per_example(real))",
        "epsilon = uniform(INTERPOLATION, one_per_example(real[:1]))",
        "tests/losses/test_penalties.py",
        text='epsilon = uniform("epsilon", one_an_example(real))',
        replacement='epsilon = uniform("epsilon", one_an_example(real[:1]))',
    ),
    fault(
        "dragan_std_axis",
        "the perturbation of DRAGAN has a standard deviation per pixel",
        "losses/penalties.py",
        "tf.reduce_mean(tf.square(real - mean))",
        "tf.reduce_mean(tf.square(real - mean), axis=0)",
        "tests/losses/test_penalties.py",
        text="tf.math.reduce_std(real) * u",
        replacement="tf.math.reduce_std(real, axis=0) * u",
    ),
    fault(
        "r2_at_real",
        "R2 is computed at real images",
        "losses/penalties.py",
        "return 0.5 * squared_gradient_norms(critic, fake)",
        "return 0.5 * squared_gradient_norms(critic, real)",
        "tests/losses/test_penalties.py",
        text="return 0.5 * squared_slopes(critic, fake)",
        replacement="return 0.5 * squared_slopes(critic, real)",
    ),
    fault(
        "path_length_layers",
        "path lengths are summed over the layers instead of averaged",
        "losses/path_length.py",
        "tf.reduce_mean(tf.reduce_sum(tf.square(gradient), axis=-1), axis=-1)",
        "tf.reduce_sum(tf.reduce_sum(tf.square(gradient), axis=-1), axis=-1)",
        "tests/losses/test_path_length.py",
    ),
    fault(
        "free_bits_per_image",
        "free bits are applied per image instead of to the mean of the batch",
        "losses/divergence.py",
        "return tf.reduce_sum(tf.maximum(replicas.mean(tf.reduce_mean(kl, axis=0)), free_bits))",
        "return tf.reduce_sum(tf.reduce_mean(tf.maximum(kl, free_bits), axis=0))",
        "tests/losses/test_divergence.py",
        text="return tf.reduce_sum(tf.maximum(tf.reduce_mean(kl, axis=0), free_bits))",
    ),
    fault(
        "squared_error_entropy",
        "the bound from the squared error lacks half a nat of the Gaussian's entropy",
        "losses/information.py",
        "0.5 * (tf.math.log(2.0 * math.pi * error) + 1.0)",
        "0.5 * tf.math.log(2.0 * math.pi * error)",
        "tests/losses/test_information.py",
    ),
    fault(
        "cyclical_rise",
        "the cyclical schedule rises over the whole period",
        "models/schedules.py",
        "tf.minimum(2.0 * (position % 1.0), 1.0)",
        "tf.minimum(position % 1.0, 1.0)",
        "tests/models/test_schedules.py",
    ),
)

METRICS = (
    fault(
        "biased_covariance",
        "covariances of features are divided by n",
        "metrics/moments.py",
        "self._scatter / (self.count - 1)",
        "self._scatter / self.count",
        "tests/metrics/test_moments.py",
    ),
    fault(
        "no_extrapolation",
        "the extrapolated Frechet distance is that of n samples",
        "metrics/frechet.py",
        "float(line(0))",
        "float(line(1 / n))",
        "tests/metrics/test_frechet.py",
    ),
    fault(
        "split_boundaries",
        "splits of the Inception Score begin one image late if n is not divisible",
        "metrics/inception_score.py",
        "((image + 1) * self.splits - 1) // self.n",
        "(image * self.splits) // self.n",
        "tests/metrics/test_inception_score.py",
    ),
    fault(
        "biased_kernel_distance",
        "the kernel distance includes the diagonal",
        "metrics/kernel.py",
        "(k.sum() - np.trace(k)) / (n * (n - 1))",
        "k.sum() / (n * n)",
        "tests/metrics/test_kernel.py",
    ),
    fault(
        "subsets_with_replacement",
        "subsets of the kernel distance are drawn with replacement",
        "metrics/kernel.py",
        "subset_size, replace=False",
        "subset_size, replace=True",
        "tests/metrics/test_kernel.py",
    ),
    fault(
        "neighbour_itself",
        "an image counts as its own nearest neighbour in the radius of its ball",
        "metrics/manifolds.py",
        "k, axis=1)[:, k]",
        "k - 1, axis=1)[:, k - 1]",
        "tests/metrics/test_manifolds.py",
    ),
    fault(
        "copy_at_threshold",
        "a sample at exactly the threshold, such as 0, is not a copy",
        "metrics/neighbours.py",
        "float((distances <= threshold).mean())",
        "float((distances < threshold).mean())",
        "tests/metrics/test_neighbours.py",
    ),
    fault(
        "index_in_block",
        "indices of nearest neighbours count from the start of their block",
        "metrics/neighbours.py",
        "rows.start + new_indices",
        "new_indices",
        "tests/metrics/test_neighbours.py",
        text="start + new_indices",
    ),
    fault(
        "confusion_counts_once",
        "each pair of class and cluster is counted once",
        "metrics/representation.py",
        "np.add.at(confusion, (labels, clusters), 1)",
        "confusion[labels, clusters] += 1",
        "tests/metrics/test_representation.py",
    ),
    fault(
        "gap_in_nats",
        "the mutual information gap is not divided by the entropy",
        "metrics/factors.py",
        "float((best - second) / entropy)",
        "float(best - second)",
        "tests/metrics/test_factors.py",
        text="float((known[-1] - known[-2]) / entropy)",
        replacement="float(known[-1] - known[-2])",
    ),
    fault(
        "slant_direction",
        "strokes that lean to the right have a negative slant",
        "metrics/factors.py",
        "y = ((ink * y).sum((1, 2)) / area)[:, None, None] - y",
        "y = y - ((ink * y).sum((1, 2)) / area)[:, None, None]",
        "tests/metrics/test_factors.py",
    ),
    fault(
        "path_length_square",
        "the path length is divided by epsilon instead of its square",
        "metrics/path_length.py",
        "feature_distances(start, end) / epsilon**2",
        "feature_distances(start, end) / epsilon",
        "tests/metrics/test_path_length.py",
    ),
)

MODELS = (
    fault(
        "ema_forgotten",
        "the EMA of the generator keeps its initial weights",
        "models/adversarial.py",
        "        self.ema.update(self.step, self.ema_decay(images))\n",
        "",
        *("tests/models/test_ema.py", "tests/models/test_adversarial.py"),
        text="        self._update_averages()\n",
        first=("tests/models/test_adversarial.py",),
    ),
    fault(
        "ema_warm_up",
        "the EMA has its full decay from the first step on",
        "models/ema.py",
        "return 1.0 - tf.minimum(decay, (1.0 + t) / (10.0 + t))",
        "return 1.0 - decay * tf.ones_like(t)",
        *("tests/models/test_ema.py", "tests/models/test_adversarial.py"),
        file="models/base.py",
        first=("tests/models/test_adversarial.py", "tests/models/test_base.py"),
    ),
    fault(
        "power_iteration_forgotten",
        "the singular vectors of the discriminator are never updated",
        "models/adversarial.py",
        '        self._power_iteration("discriminator")\n',
        "",
        *("tests/models/test_sngan.py", "tests/models/test_adversarial.py"),
    ),
    fault(
        "lazy_penalty_scale",
        "a lazy penalty is not scaled by its interval",
        "models/penalty.py",
        "self.weight * self.interval",
        "self.weight",
        "tests/models/test_adversarial.py",
        file="models/adversarial.py",
        text="penalty.weight * penalty.interval",
        replacement="penalty.weight",
    ),
    fault(
        "ada_direction",
        "the probability of augmentation falls when the discriminator overfits",
        "models/augmenter.py",
        "tf.sign(sign - self.target)",
        "tf.sign(self.target - sign)",
        "tests/models/test_augmenter.py",
        file="models/adversarial.py",
        text="tf.sign(sign - self.hp.augment_target)",
        replacement="tf.sign(self.hp.augment_target - sign)",
        first=("tests/models/test_augmentation.py",),
    ),
    fault(
        "began_balance",
        "gamma multiplies the error of generated images",
        "models/began.py",
        "self.hp.gamma * real - fake",
        "real - self.hp.gamma * fake",
        "tests/models/test_began.py",
    ),
    fault(
        "wgan_gp_critic_updates",
        "WGAN-GP has one critic update per step by default",
        "models/declarations/wgan_gp.py",
        '"n_critic": 5,',
        '"n_critic": 1,',
        *("tests/models/test_wgan_gp.py", "tests/models/test_hyperparameters.py"),
        file="models/hyperparameters.py",
        text=""""penalty", "gradient")
    n_critic: int = override(AdversarialHyperparameters, "n_critic", 5)""",
        replacement=""""penalty", "gradient")
    n_critic: int = override(AdversarialHyperparameters, "n_critic", 1)""",
    ),
    fault(
        "score_not_normalised",
        "the last layer of a spectrally normalised discriminator is not normalised",
        "models/adversarial.py",
        "layers.head(1, self.hp.initializer, spectral=spectral, name=name)",
        "layers.head(1, self.hp.initializer, name=name)",
        *("tests/models/test_sngan.py", "tests/models/test_adversarial.py"),
    ),
    fault(
        "consistency_target",
        "the target of the consistency loss has a gradient",
        "models/objectives.py",
        "target = {name: tf.stop_gradient(part) for name, part in q.items()}",
        "target = dict(q)",
        *("tests/models/test_objectives.py", "tests/models/test_infogan.py"),
        file="models/infogan.py",
        text="q = {name: tf.stop_gradient(part) for name, part in q.items()}",
        replacement="q = dict(q)",
        first=("tests/models/test_infogan.py",),
    ),
    fault(
        "supervision_share",
        "supervision is divided by the labelled share instead of its square root",
        "models/objectives.py",
        "/ math.sqrt(self.fraction)",
        "/ self.fraction",
        *("tests/models/test_objectives.py", "tests/models/test_infogan.py"),
        file="models/infogan.py",
        text="/ math.sqrt(hp.supervised_fraction)",
        replacement="/ hp.supervised_fraction",
        first=("tests/models/test_infogan.py",),
    ),
    fault(
        "random_label",
        "the discriminator's classes are drawn from the prior instead of the real images",
        "models/conditional.py",
        "super().draw(batch) | {LABEL: tf.one_hot(batch.labels, self.num_classes)}",
        "{LABEL: tf.one_hot(batch.labels, self.num_classes)} | super().draw(batch)",
        "tests/models/test_cgan.py",
        file="models/cgan.py",
        text='super().draw(batch) | {"label": tf.one_hot(batch.labels, self.num_classes)}',
        replacement='{"label": tf.one_hot(batch.labels, self.num_classes)} | super().draw(batch)',
    ),
    fault(
        "batch_stats_of_reconstructions",
        "reconstructions change the batch norm statistics of the generator",
        "models/layers.py",
        "        variable.assign(value)\n",
        "        pass\n",
        *("tests/models/test_bigan.py", "tests/models/test_layers.py"),
    ),
    fault(
        "encoder_without_ema",
        "encodings are those of the encoder instead of its EMA",
        "models/bigan.py",
        "self.encoder_ema(to_unit_range(x), training=False)",
        "self.encoder(to_unit_range(x), training=False)",
        "tests/models/test_bigan.py",
    ),
    fault(
        "reparameterisation",
        "draws of the posterior have its variance as their standard deviation",
        "models/vae.py",
        'tf.exp(0.5 * output["log_variance"]) * epsilon',
        'tf.exp(output["log_variance"]) * epsilon',
        "tests/models/test_autoencoding.py",
        text='tf.exp(0.5 * found["log_variance"]) * epsilon',
        replacement='tf.exp(found["log_variance"]) * epsilon',
    ),
    fault(
        "mean_style",
        "the mean style is that of the last batch instead of a moving average",
        "models/style_based.py",
        "mean.assign_add((1.0 - MEAN_DECAY) * (of_batch - mean))",
        "mean.assign(of_batch)",
        "tests/models/test_stylegan.py",
        text="mean.assign_add((1.0 - MEAN_DECAY) * (tf.reduce_mean(tf.cast(w, tf.float32), 0) - "
        "mean))",
        replacement="mean.assign(tf.reduce_mean(tf.cast(w, tf.float32), 0))",
    ),
    fault(
        "same_draws_each_step",
        "random numbers do not depend on the step",
        "models/randomness.py",
        "return tf.random.experimental.stateless_fold_in(key, tf.cast(step, tf.int32))",
        "return key",
        "tests/models/test_randomness.py",
    ),
)

TRAINING = (
    fault(
        "record_lost_at_resume",
        "resuming removes the record of the checkpoint's own step",
        "storage/run_directory.py",
        'record["step"] <= step]',
        'record["step"] < step]',
        "tests/storage/test_run_directory.py",
        file="training/run_directory.py",
        first=("tests/training/test_run_directory.py",),
    ),
    fault(
        "seconds_lost_at_resume",
        "the seconds of a resumed run start at 0",
        "training/callbacks.py",
        'self.seconds = max(saved.get("seconds", 0.0), last.get("seconds", 0.0))',
        "self.seconds = 0.0",
        *("tests/training/test_callbacks.py", "tests/train/test_resume.py"),
        text='self.seconds = records[-1]["seconds"] if records else 0.0',
        replacement="self.seconds = 0.0",
        first=("tests/training/test_callbacks.py", "tests/test_train.py"),
    ),
    fault(
        "last_checkpoint_forgotten",
        "a last step between two checkpoints is not saved",
        "training/callbacks.py",
        "return self.step % self.every == 0 or self.step == self.outputs.total",
        "return self.step % self.every == 0",
        *("tests/training/test_callbacks.py", "tests/train/test_resume.py"),
        text="""            self.model.stop_training = True

    def on_train_end(self, logs=None):
        self.save()
""",
        replacement="""            self.model.stop_training = True
""",
        first=("tests/training/test_callbacks.py", "tests/test_train.py"),
    ),
    fault(
        "checkpoints_by_name",
        "the newest checkpoint is the last one in alphabetical order",
        "storage/checkpoint_files.py",
        "return sorted(whole, reverse=True)",
        "return sorted(whole, key=str, reverse=True)",
        "tests/storage/test_checkpoints.py",
        file="training/checkpoints.py",
        text='key=lambda path: int(path.name.removeprefix("ckpt-"))',
        replacement="key=lambda path: path.name",
        first=("tests/training/test_checkpoints.py",),
    ),
    fault(
        "transient_error_swallowed",
        "an intact checkpoint is skipped after an error of the machine",
        "storage/checkpoints.py",
        "except TRANSIENT:\n                raise\n",
        "except TRANSIENT:\n                continue\n",
        "tests/storage/test_checkpoints.py",
        file="training/checkpoints.py",
        first=("tests/training/test_checkpoints.py",),
    ),
    fault(
        "resume_with_other_hyperparameters",
        "a run can be resumed with other hyperparameters",
        "training/options.py",
        "for part in (self.options, self.hp)\n",
        "for part in (self.options,)\n",
        *("tests/training/test_resume.py", "tests/training/test_options.py"),
        first=("tests/training/test_run_directory.py", "tests/training/test_options.py"),
    ),
    fault(
        "infinite_loss",
        "a training goes on with an infinite loss",
        "training/callbacks.py",
        "if m.count and not math.isfinite(m.value)}",
        "if m.count and math.isnan(m.value)}",
        *("tests/training/test_callbacks.py", "tests/train/test_resume.py"),
        first=("tests/training/test_callbacks.py", "tests/test_train.py"),
        text="if not math.isfinite(value) and not self.may_overflow(name):",
        replacement="if math.isnan(value) and not self.may_overflow(name):",
    ),
    fault(
        "batches_from_the_start",
        "a resumed run repeats the first batches",
        "training/distribution.py",
        "batches.dataset(start)",
        "batches.dataset(0)",
        "tests/train/test_resume.py",
        file="training/loop.py",
        first=("tests/test_train.py",),
    ),
    fault(
        "study_ignores_changes",
        "a study skips a finished run whose flagfile has changed",
        "training/resume.py",
        "if Config.of_run(run).with_options(**ignored) != config.with_options(**ignored):",
        "if False:",
        "tests/training/test_resume.py",
        file="study.py",
        text="if finished and options.Config.from_dict(run.read_config()) == config:",
        replacement="if finished:",
        first=("tests/test_study.py",),
    ),
    fault(
        "xla_without_accelerator",
        "XLA compiles the step on a CPU by default",
        "training/devices.py",
        'return jit == "on" or (jit == "auto" and accelerated)',
        'return jit != "off"',
        "tests/training/test_loop.py",
        first=("tests/training/test_setup.py", "tests/test_train.py"),
    ),
)

EVALUATION = (
    fault(
        "copies_are_better",
        "figures mark a higher share of copies as better",
        "evaluation/families/pixels.py",
        "better=LOWER,\n    published=True,",
        "better=HIGHER,\n    published=True,",
        *("tests/evaluation/test_comparison.py", "tests/evaluation/test_samples.py"),
        file="metrics/report.py",
        text='"bits_per_dimension", "copied_share", "path_length_")',
        replacement='"bits_per_dimension", "path_length_")',
        first=("tests/metrics/test_report.py",),
    ),
    fault(
        "mean_of_seeds",
        "tables have the mean over evaluation seeds instead of the median",
        "evaluation/runner.py",
        "statistics.median(values)",
        "statistics.mean(values)",
        "tests/evaluation/test_runner.py",
        file="metrics/report.py",
        text="return Metric(statistics.median(values), protocol)",
        replacement="return Metric(statistics.mean(values), protocol)",
        first=("tests/metrics/test_report.py",),
    ),
    fault(
        "split_ignored",
        "split=train measures the test images",
        "evaluation/reference.py",
        'self.images = data.test if self.split == "test" else data.train',
        "self.images = data.test or data.train",
        *("tests/evaluation/test_reference.py", "tests/evaluation/test_samples.py"),
        file="training/evaluation.py",
        first=("tests/training/test_evaluation.py",),
    ),
    fault(
        "statistics_of_other_weights",
        "cached statistics of a feature network are used after its weights have changed",
        "evaluation/reference.py",
        "[extractor.name, extractor.sha256, extractor.resizing]",
        "[extractor.name, extractor.resizing]",
        "tests/evaluation/test_reference.py",
        file="training/evaluation.py",
        text="[self.extractor.name, self.extractor.sha256, self.extractor.resizing]",
        replacement="[self.extractor.name, self.extractor.resizing]",
        first=("tests/training/test_evaluation.py",),
    ),
    fault(
        "seed_not_hashed",
        "a study takes results of another evaluation seed for its own",
        "evaluation/options.py",
        'if "protocol" in s.metadata]',
        'if "protocol" in s.metadata and s.name != "seed"]',
        *("tests/evaluation/test_record.py", "tests/test_study.py"),
        file="evaluate.py",
        text='for name in PUBLISHED if name != "metrics"]',
        replacement='for name in PUBLISHED if name not in ("metrics", "seed")]',
        first=("tests/test_evaluate.py", "tests/test_study.py"),
    ),
    fault(
        "probe_of_test_images",
        "classifiers of codes are fitted to the test images and tested on the training images",
        "evaluation/families/encodings.py",
        "measure(train, data.train.labels, test, data.test.labels)",
        "measure(test, data.test.labels, train, data.train.labels)",
        "tests/evaluation/test_codes.py",
        file="training/evaluation.py",
        text="measures[name](train, data.train.labels, test, data.test.labels)",
        replacement="measures[name](test, data.test.labels, train, data.train.labels)",
        first=("tests/training/test_evaluation.py",),
    ),
    fault(
        "linear_path",
        "paths between normal latents are linear instead of spherical",
        "evaluation/families/path_length.py",
        'path = model.latents.path("noise")',
        'path = "linear"',
        "tests/evaluation/test_path_length.py",
        file="training/evaluation.py",
        text='"prior", "normal") == "uniform" else "spherical"',
        replacement='"prior", "normal") == "uniform" else "linear"',
        first=("tests/training/test_evaluation.py",),
    ),
    fault(
        "values_of_earlier_checkpoints",
        "evaluation.json keeps the values of earlier checkpoints",
        "evaluation/record.py",
        'IDENTITY = ("fingerprint", "checkpoint_step", "images_sha256", WEIGHTS)',
        'IDENTITY = ("fingerprint", "images_sha256", WEIGHTS)',
        *("tests/evaluation/test_record.py", "tests/evaluate/test_one_run.py"),
        file="evaluate.py",
        text='.get("checkpoint_step") == step',
        replacement='.get("checkpoint_step") <= step',
        first=("tests/test_evaluate.py",),
    ),
)

FAULTS = {
    "losses": LOSSES,
    "metrics": METRICS,
    "models": MODELS,
    "training": TRAINING,
    "evaluation": EVALUATION,
}
